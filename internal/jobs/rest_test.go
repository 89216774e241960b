package jobs_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"ferryman/internal/db"
	"ferryman/internal/jobs"
	"ferryman/internal/testwait"
)

func TestRestFinishesAndBeginsNothing(t *testing.T) {
	run(t, func(t *testing.T, d *db.DB) {
		begun, letGo, ended := make(chan string, 10), make(chan struct{}), make(chan string, 10)
		e := newEngine(t, d, "n1", func(_ context.Context, j jobs.Job[greet]) error {
			begun <- j.Args.Name
			<-letGo
			ended <- j.Args.Name
			return nil
		})
		ticks := make(chan time.Time, 100)
		e.Every(jobs.Schedule{Name: "tick", Every: 50 * time.Millisecond, CatchUp: jobs.Once, Fire: func(_ context.Context, _ *db.Tx, tick time.Time) error {
			select {
			case ticks <- tick:
			default:
			}
			return nil
		}})
		start(t, e)
		testwait.Receive(t, ticks)
		enqueue(t, d, e, greet{Name: "first"})
		testwait.Receive(t, begun)

		rested := make(chan error, 1)
		impatient, cancel := context.WithCancel(t.Context())
		go func() { rested <- e.Rest(impatient) }()
		cancel()
		if err := testwait.Receive(t, rested); !errors.Is(err, context.Canceled) {
			t.Errorf("resting while a job runs gave %v", err)
		}
		// It works on, while the first job is still at it.
		if err := e.Resume(); err != nil {
			t.Fatal(err)
		}
		enqueue(t, d, e, greet{Name: "second"})
		if name := testwait.Receive(t, begun); name != "second" {
			t.Errorf("%s was begun", name)
		}
		go func() { rested <- e.Rest(t.Context()) }()
		letGo <- struct{}{}
		letGo <- struct{}{}
		if err := testwait.Receive(t, rested); err != nil {
			t.Fatal(err)
		}
		if len(ended) != 2 {
			t.Errorf("rested with %d of 2 jobs finished", len(ended))
		}
		for len(ticks) > 0 {
			<-ticks
		}
		enqueue(t, d, e, greet{Name: "third"})
		select {
		case name := <-begun:
			t.Errorf("%s was begun at rest", name)
		case tick := <-ticks:
			t.Errorf("the tick of %v was fired at rest", tick)
		case <-time.After(700 * time.Millisecond): // longer than either takes to be looked for
		}
		if err := e.Resume(); err != nil {
			t.Fatal(err)
		}
		if name := testwait.Receive(t, begun); name != "third" {
			t.Errorf("%s was begun", name)
		}
		testwait.Receive(t, ticks)
		close(letGo)
	})
}

// Another node does what one at rest leaves, and nothing that it is still at.
func TestOthersGoOnWhileOneRests(t *testing.T) {
	d := postgres(t)
	by, letGo := make(chan string, 100), make(chan struct{})
	var engines []*jobs.Engine
	for _, name := range []string{"n1", "n2"} {
		engines = append(engines, newEngine(t, d, name, func(_ context.Context, j jobs.Job[greet]) error {
			by <- name + " " + j.Args.Name
			if j.Args.Name == "long" {
				<-letGo
			}
			return nil
		}))
	}
	start(t, engines[0])
	enqueue(t, d, engines[0], greet{Name: "long"})
	testwait.Receive(t, by)
	rested := make(chan error, 1)
	go func() { rested <- engines[0].Rest(t.Context()) }()
	start(t, engines[1])
	for i := range 10 {
		name := strconv.Itoa(i)
		enqueue(t, d, engines[0], greet{Name: name})
		if got := testwait.Receive(t, by); got != "n1 "+name && got != "n2 "+name {
			t.Errorf("%s was begun, not %s", got, name)
		}
	}
	if len(rested) > 0 {
		t.Error("it was at rest while a job ran")
	}
	close(letGo)
	if err := testwait.Receive(t, rested); err != nil {
		t.Error(err)
	}
	for i := range 10 {
		name := strconv.Itoa(100 + i)
		enqueue(t, d, engines[0], greet{Name: name})
		if got := testwait.Receive(t, by); got != "n2 "+name {
			t.Errorf("%s was begun, not %s by n2", got, name)
		}
	}
}
