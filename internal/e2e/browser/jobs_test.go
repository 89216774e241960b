package browser

import "testing"

// engine looks at the job engine's own pages, which it brings along with a script of
// its own: they find their calls and their files below our path, and nothing elsewhere.
func (b *tab) engine(t *testing.T) {
	t.Helper()
	b.t = t
	b.visit("/ui/settings")
	b.taken()
	b.expect("'script-src' was not explicitly set") // their script tries out whether it may make code of texts, and does without
	b.follow("a[href='/ui/jobs/']")
	b.click("a[href*='state=completed']")
	const job = "main a[href^='/ui/jobs/jobs/']"
	b.await("jobs that are done are listed", "document.querySelector(\""+job+"\")")
	id := number(eval[string](b, "document.querySelector(\""+job+"\").getAttribute('href')"))
	b.click("main a[href='/ui/jobs/jobs/" + id + "']") // the list goes on meanwhile
	b.await("the job is shown", "location.pathname === '/ui/jobs/jobs/"+id+"' && /Attempt/i.test(document.querySelector('main').innerText)")
	b.visit("/ui/jobs/queues")
	b.await("the queues are listed", "/housekeeping/.test(document.querySelector('main')?.innerText)")
	for _, problem := range b.taken() {
		t.Errorf("%q", problem)
	}
}
