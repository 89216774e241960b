package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"ferryman/internal/fault"
)

func TestClassification(t *testing.T) {
	deep := &fault.Error{Kind: fault.RateLimited, Code: "slow_down", Detail: "too many calls", Hint: "wait", Err: io.EOF}
	for _, c := range []struct {
		err       error
		kind      fault.Kind
		code      string
		temporary bool
		text      string
	}{
		{io.EOF, fault.Internal, "internal", true, "EOF"},
		{context.Canceled, fault.Canceled, "canceled", true, "context canceled"},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), fault.Timeout, "timeout", true, "read: context deadline exceeded"},
		{deep, fault.RateLimited, "slow_down", true, "too many calls: EOF (wait)"},
		{fmt.Errorf("sync: %w", deep), fault.RateLimited, "slow_down", true, "sync: too many calls: EOF (wait)"},
		{&fault.Error{Kind: fault.Invalid}, fault.Invalid, "invalid", false, "invalid"},
		{&fault.Error{Kind: fault.NotFound, Err: deep}, fault.NotFound, "not_found", false, "too many calls: EOF (wait)"},
	} {
		if got := fault.KindOf(c.err); got != c.kind {
			t.Errorf("%v: kind %v, want %v", c.err, got, c.kind)
		}
		if got := fault.CodeOf(c.err); got != c.code {
			t.Errorf("%v: code %q, want %q", c.err, got, c.code)
		}
		if got := fault.Temporary(c.err); got != c.temporary {
			t.Errorf("%v: temporary %v", c.err, got)
		}
		if got := c.err.Error(); got != c.text {
			t.Errorf("text %q, want %q", got, c.text)
		}
	}
	if !errors.Is(deep, io.EOF) || fault.HintOf(fmt.Errorf("x: %w", deep)) != "wait" || fault.HintOf(io.EOF) != "" {
		t.Error("cause or hint is lost")
	}
}

func TestOneLine(t *testing.T) {
	err := fault.OneLine(fmt.Errorf("cannot:\n\ta:1: refused\n\ta:1: refused\n\n\tb:1:  %w", io.EOF))
	if err.Error() != "cannot: a:1: refused b:1: EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("%q", err)
	}
}
