package sqlsink

import (
	"slices"
	"testing"

	"ferryman/internal/pipeline"
)

func TestPipelinesOfATarget(t *testing.T) {
	eachTarget(t, func(t *testing.T, url string) {
		var want []string
		for _, name := range []string{"a", "b/c"} {
			s := openSink(t, url, Options{Pipeline: name, Tables: []*pipeline.Table{people()}})
			if got, err := s.Pipelines(t.Context()); err != nil || !slices.Equal(got, want) {
				t.Errorf("before %s: %v, %v", name, got, err)
			}
			if _, err := s.Cursor(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(t.Context(), pipeline.Batch{Next: "1"}); err != nil {
				t.Fatal(err)
			}
			want = append(want, name)
			if got, err := s.Pipelines(t.Context()); err != nil || !slices.Equal(got, want) {
				t.Errorf("after %s: %v, %v", name, got, err)
			}
		}
	})
}
