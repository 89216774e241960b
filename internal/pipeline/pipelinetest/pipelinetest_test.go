package pipelinetest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"ferryman/internal/pipeline"
	"ferryman/internal/pipeline/pipelinetest"
)

// defectVariable names the defect that a fake has in a process of its own.
const defectVariable = "FERRYMAN_PIPELINETEST_DEFECT"

func TestSinkInMemory(t *testing.T) {
	pipelinetest.TestSink(t, func(*testing.T) pipelinetest.Target { return newStore(os.Getenv(defectVariable)) })
}

func TestSourceInMemory(t *testing.T) {
	pipelinetest.TestSource(t, func(*testing.T) pipeline.Source { return &source{defect: os.Getenv(defectVariable)} })
}

func TestSnapshotSourceInMemory(t *testing.T) {
	pipelinetest.TestSnapshotSource(t, func(*testing.T) pipeline.Source {
		return &source{defect: os.Getenv(defectVariable), snapshot: true}
	})
}

// A suite that lets a broken adapter pass proves nothing: each defect must fail
// the test that is there for it.
func TestSuitesFindDefects(t *testing.T) {
	for _, test := range []struct{ suite, defect, failing string }{
		{"TestSinkInMemory", "ignores the context", "a_cancelled_context"},
		{"TestSinkInMemory", "lets a stale writer in", "a_stale_writer_is_stopped"},
		{"TestSinkInMemory", "leaves half a batch", "a_whole_batch_or_none_of_it"},
		{"TestSinkInMemory", "leaves half a batch", "an_error_undoes_the_batch"},
		{"TestSinkInMemory", "forgets the cursor", "cursor"},
		{"TestSinkInMemory", "the first of equal keys wins", "the_last_of_equal_keys_wins"},
		{"TestSinkInMemory", "the first of equal keys wins", "random_batches"},
		{"TestSinkInMemory", "counts inserted rows as updated", "inserted_and_updated_rows_are_told_apart"},
		{"TestSinkInMemory", "counts inserted rows as updated", "random_batches"},
		{"TestSinkInMemory", "takes a whole batch with holes", "rows_that_the_source_could_not_make"},
		{"TestSinkInMemory", "counts rows that were not made twice", "rows_that_the_source_could_not_make"},
		{"TestSinkInMemory", "ignores scopes", "scope_deletes"},
		{"TestSinkInMemory", "writes unclean text", "odd_text"},
		{"TestSinkInMemory", "forgets refused rows", "scope_keeps_a_refused_row"},
		{"TestSinkInMemory", "looks at few parents", "scope_with_several_columns"},
		{"TestSinkInMemory", "looks at few parents", "scope_with_many_parents"},
		{"TestSinkInMemory", "ends at a bad row", "one_bad_row_among_many"},
		{"TestSinkInMemory", "ignores case", "text_is_compared_by_bytes"},
		{"TestSinkInMemory", "takes any type", "a_row_of_the_wrong_type"},
		{"TestSinkInMemory", "counts unchanged rows as written", "a_batch_again_changes_nothing"},
		{"TestSinkInMemory", "moves stamps of unchanged rows", "stamps_tell_of_real_changes"},
		{"TestSinkInMemory", "leaves orphans", "children_go_with_their_parents"},
		{"TestSourceInMemory", "children come first", "batches_are_well_formed"},
		{"TestSourceInMemory", "rows are too short", "batches_are_well_formed"},
		{"TestSourceInMemory", "values are of the wrong type", "batches_are_well_formed"},
		{"TestSourceInMemory", "the key is NULL", "batches_are_well_formed"},
		{"TestSourceInMemory", "a scope is too narrow", "batches_are_well_formed"},
		{"TestSourceInMemory", "a cursor comes twice", "there_are_cursors"},
		{"TestSourceInMemory", "reads something else each time", "reads_the_same_again"},
		{"TestSourceInMemory", "skips a batch on resuming", "resumes_after_every_cursor"},
		{"TestSourceInMemory", "leaves a goroutine behind", "stopping_early_releases_everything"},
		{"TestSnapshotSourceInMemory", "a snapshot has a cursor", "it_is_one_whole_batch"},
		{"TestSnapshotSourceInMemory", "reads something else each time", "reads_the_same_again"},
		{"TestSourceInMemory", "ignores the context", "a_context_cancelled_in_the_midst_ends_it"},
	} {
		t.Run(test.defect+"/"+test.failing, func(t *testing.T) {
			t.Parallel()
			name := test.suite + "/" + test.failing
			cmd := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(name, "/", "$/^")+"$", "-test.count=1", "-rapid.nofailfile")
			cmd.Env = append(os.Environ(), defectVariable+"="+test.defect)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: "+name) {
				t.Errorf("%s does not find a fake that %s: %v\n%s", name, test.defect, err, out)
			}
		})
	}
}
