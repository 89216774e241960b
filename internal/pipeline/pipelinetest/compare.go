package pipelinetest

import (
	"fmt"
	"math/big"
	"time"

	"ferryman/internal/pipeline"
)

// differ tells in what rows differ from those wanted, or "".
func differ(t *pipeline.Table, got, want [][]any) string {
	for i := range min(len(got), len(want)) {
		if len(got[i]) != len(want[i]) {
			return fmt.Sprintf("row %d has %d values, want %d", i, len(got[i]), len(want[i]))
		}
		for j := range got[i] {
			if !equal(typeOf(t, j), got[i][j], want[i][j]) {
				return fmt.Sprintf("row %d, column %d holds %.60q (%T), want %.60q (%T)",
					i, j, fmt.Sprint(got[i][j]), got[i][j], fmt.Sprint(want[i][j]), want[i][j])
			}
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, want %d", len(got), len(want))
	}
	return ""
}

func typeOf(t *pipeline.Table, i int) pipeline.Type {
	if i < len(t.Columns) {
		return t.Columns[i].Type
	}
	return t.Stamps[i-len(t.Columns)].Type
}

// equal compares numbers by value and times by instant.
func equal(t pipeline.Type, a, b any) bool {
	if a == nil || b == nil {
		return a == b
	}
	switch t {
	case pipeline.Decimal:
		x, xok := number(a)
		y, yok := number(b)
		return xok && yok && x.Cmp(y) == 0
	case pipeline.Time:
		x, xok := a.(time.Time)
		y, yok := b.(time.Time)
		return xok && yok && x.Equal(y)
	default:
		return a == b
	}
}

func number(v any) (*big.Rat, bool) {
	text, ok := v.(string)
	if !ok {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}
