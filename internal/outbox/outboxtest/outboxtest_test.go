package outboxtest_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ferryman/internal/outbox"
	"ferryman/internal/outbox/outboxtest"
)

// TestMain lets more tests run at a time than there are processors: most of them
// wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	m.Run()
}

// defectVariable names the defect that the fake has in a process of its own.
const defectVariable = "FERRYMAN_OUTBOXTEST_DEFECT"

func TestFake(t *testing.T) {
	outboxtest.TestChannel(t, openFake(os.Getenv(defectVariable)), outboxtest.Table{
		Secrets:    []string{token},
		Recipients: []string{"Ann"},
		Arrived: func(d outbox.Delivery, r *http.Request, body []byte) error {
			var got wire
			if err := json.Unmarshal(body, &got); err != nil {
				return err
			}
			if got != (wire{d.Recipient, d.Payload}) || r.Header.Get("X-Token") != token {
				return fmt.Errorf("sent %+v", got)
			}
			return nil
		},
		Accept:    outboxtest.Answer{Status: 200, Body: `{"id":"m1"}`},
		Reference: "m1",
		Status:    outboxtest.MessengerStatus,
		Answers: []outboxtest.Case{{
			Name:   "gone",
			Answer: outboxtest.Answer{Status: 400, Body: `{"error":"gone"}`},
			Want:   outbox.Outcome{Verdict: outbox.Rejected, Code: "gone"},
		}},
	})
}

// A suite that lets a broken channel pass proves nothing: each defect must fail the
// test that is there for it.
func TestSuiteFindsDefects(t *testing.T) {
	for _, test := range []struct{ defect, failing string }{
		{"trims the text", "arrives_to_the_letter"},
		{"lowers the recipient", "arrives_to_the_letter"},
		{"sends twice", "arrives_to_the_letter"},
		{"forgets the reference", "arrives_to_the_letter"},
		{"sends twice", "many_at_once"},
		{"gives up at 503", "every_status_without_a_body"},
		{"takes any 200 for a success", "every_status_with_a_page"},
		{"follows redirects", "every_status_without_a_body"},
		{"quotes the token", "every_status_with_a_page"},
		{"logs the token", "every_status_with_a_page"},
		{"misreads an error", "answers_of_the_other_side/gone"},
		{"ignores Retry-After", "asks_to_wait"},
		{"believes any Retry-After", "asks_to_wait"},
		{"keeps too much", "long_answers"},
		{"cuts characters in half", "long_answers"},
		{"quotes line by line", "long_answers"},
		{"is never sure that nothing went out", "refused"},
		{"sees no trouble", "refused"},
		{"tells the error with its code only", "refused"},
		{"sees no trouble", "reset_before_reading"},
		{"repeats what may have arrived", "reset_after_reading"},
		{"repeats what failed", "reset_after_reading"},
		{"lets net/http send again", "a_kept_connection_breaks"},
		{"repeats what may have arrived", "not_HTTP"},
		{"has no time-out", "no_answer"},
		{"repeats what may have arrived", "no_answer"},
		{"takes half an answer for a refusal", "a_cut_answer"},
		{"has no time-out", "a_dripping_answer"},
		{"reads all of the answer", "an_endless_answer"},
		{"ignores the context", "called_off_before"},
		{"is never sure that nothing went out", "called_off_before"},
		{"ignores the context", "called_off_in_the_midst"},
		{"blames the other side for being called off", "called_off_in_the_midst"},
	} {
		t.Run(test.defect+"/"+test.failing, func(t *testing.T) {
			t.Parallel()
			name := "TestFake/" + test.failing
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+strings.ReplaceAll(name, "/", "$/^")+"$", "-test.count=1")
			cmd.Env = append(os.Environ(), defectVariable+"="+test.defect)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: "+name) {
				t.Errorf("the suite does not find a fake that %s: %v\n%s", test.defect, err, out)
			}
		})
	}
}
