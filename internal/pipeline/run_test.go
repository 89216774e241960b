package pipeline_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"testing"

	"ferryman/internal/pipeline"
)

var numbers = &pipeline.Table{Name: "numbers", Key: []string{"n"}, Columns: []pipeline.Column{{Name: "n", Type: pipeline.Integer}}}

// counting is a source of the numbers from 1, two a batch.
type counting struct {
	last   int64
	broken int64 // fails after this one; 0 is never
}

var errSource, errSink = errors.New("source"), errors.New("sink")

func (c counting) Read(_ context.Context, after pipeline.Cursor) iter.Seq2[pipeline.Batch, error] {
	return func(yield func(pipeline.Batch, error) bool) {
		from, _ := strconv.ParseInt(string(after), 10, 64)
		for n := from + 1; n <= c.last; n += 2 {
			b := pipeline.Batch{
				Changes: []pipeline.Change{{Table: numbers, Rows: [][]any{{n}, {n + 1}}}},
				Next:    pipeline.Cursor(strconv.FormatInt(n+1, 10)),
			}
			if !yield(b, nil) {
				return
			}
			if n+1 == c.broken {
				yield(pipeline.Batch{}, errSource)
				return
			}
		}
	}
}

// list is a sink in memory.
type list struct {
	rows   []int64
	cursor pipeline.Cursor
	writes int // that may still happen before one fails
}

func (l *list) Cursor(context.Context) (pipeline.Cursor, error) { return l.cursor, nil }

func (l *list) Write(_ context.Context, b pipeline.Batch) (pipeline.Landed, error) {
	if l.writes--; l.writes < 0 {
		return nil, errSink
	}
	for _, row := range b.Changes[0].Rows {
		l.rows = append(l.rows, row[0].(int64))
	}
	l.cursor = b.Next
	return pipeline.Landed{{Table: "numbers", Read: 2, Written: 1, Unchanged: 1}}, nil
}

func TestRunReportsWhatIsDurable(t *testing.T) {
	sink := &list{cursor: "2", writes: 99}
	var seen []pipeline.Report
	report, err := pipeline.Run(t.Context(), counting{last: 8}, sink, func(r pipeline.Report) { seen = append(seen, r) })
	if err != nil || report.From != "2" || report.To != "8" || report.Batches != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := report.Count("numbers"); got.Read != 6 || got.Written != 3 || got.Unchanged != 3 || report.Total().Read != 6 {
		t.Errorf("counted %+v, in all %+v", got, report.Total())
	}
	if report.Count("others") != (pipeline.TableCount{Table: "others"}) {
		t.Error("counted what was not there")
	}
	if len(seen) != 3 || seen[0].To != "4" || seen[0].Count("numbers").Read != 2 {
		t.Errorf("seen on the way: %+v", seen)
	}
}

func TestRunStopsAtTheFirstError(t *testing.T) {
	for name, c := range map[string]struct {
		source counting
		writes int
		want   error
		to     pipeline.Cursor
	}{
		"of the source": {counting{last: 8, broken: 4}, 99, errSource, "4"},
		"of the sink":   {counting{last: 8}, 1, errSink, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := pipeline.Run(t.Context(), c.source, &list{writes: c.writes}, nil)
			if !errors.Is(err, c.want) || report.To != c.to {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

// Cut off after each batch and run again, everything comes once and in order.
func TestRunResumes(t *testing.T) {
	sink := &list{}
	for range 10 {
		sink.writes = 1
		if _, err := pipeline.Run(t.Context(), counting{last: 8}, sink, nil); err == nil {
			break
		}
	}
	if want := []int64{1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(sink.rows, want) {
		t.Errorf("landed %v", sink.rows)
	}
}

func TestRunTellsThatItWasCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pipeline.Run(ctx, counting{}, &list{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
