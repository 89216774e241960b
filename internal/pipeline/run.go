package pipeline

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"ferryman/internal/span"
)

// Report is what a run carried across.
type Report struct {
	From    Cursor       `json:"from,omitempty"`
	To      Cursor       `json:"to,omitempty"` // the last durable cursor
	Batches int          `json:"batches"`
	Tables  []TableCount `json:"tables"` // in order of first appearance
}

// Total adds up the counts of all tables.
func (r Report) Total() TableCount {
	var sum TableCount
	for _, t := range r.Tables {
		sum.Add(t)
	}
	return sum
}

// Count is the count of the named table, zero if the run did not touch it.
func (r Report) Count(table string) TableCount {
	for _, t := range r.Tables {
		if t.Table == table {
			return t
		}
	}
	return TableCount{Table: table}
}

func (r *Report) add(l Landed) {
	r.Batches++
	for _, d := range l {
		i := slices.IndexFunc(r.Tables, func(t TableCount) bool { return t.Table == d.Table })
		if i < 0 {
			r.Tables = append(r.Tables, d)
			continue
		}
		r.Tables[i].Add(d)
	}
}

// clone lets an observer keep a report while the run goes on.
func (r Report) clone() Report {
	r.Tables = slices.Clone(r.Tables)
	return r
}

// Run reads src from the sink's cursor until it is up to date and writes every
// batch. It reports what was made durable, also when it ends with an error.
// After each durable batch it calls observe, which may be nil, with the report
// so far.
func Run(ctx context.Context, src Source, sink Sink, observe func(Report)) (Report, error) {
	from, err := sink.Cursor(ctx)
	if err != nil {
		return Report{}, err
	}
	report := Report{From: from, To: from}
	for batch, err := range src.Read(ctx, from) {
		if err != nil {
			return report, err
		}
		landed, err := write(ctx, sink, batch)
		if err != nil {
			return report, err
		}
		report.add(landed)
		if batch.Next != "" {
			report.To = batch.Next
		}
		if observe != nil {
			observe(report.clone())
		}
	}
	return report, ctx.Err()
}

// write writes a batch, and tells the trace what it did to each table.
func write(ctx context.Context, sink Sink, b Batch) (Landed, error) {
	ctx, s := span.Start(ctx, "write batch")
	landed, err := sink.Write(ctx, b)
	if s.IsRecording() {
		for _, t := range landed {
			s.AddEvent("table written", trace.WithAttributes(append(t.attributes(), semconv.DBCollectionName(t.Table),
				attribute.Int64("ferryman.target.micros", t.Micros))...))
		}
	}
	span.End(s, err)
	return landed, err
}

// attributes are what a trace tells of the rows.
func (c TableCount) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int64("ferryman.rows.read", c.Read), attribute.Int64("ferryman.rows.written", c.Written),
		attribute.Int64("ferryman.rows.unchanged", c.Unchanged), attribute.Int64("ferryman.rows.deleted", c.Deleted),
		attribute.Int64("ferryman.rows.rejected", c.Rejected),
	}
}

// Attributes are what a trace tells of the whole run.
func (r Report) Attributes() []attribute.KeyValue {
	return append(r.Total().attributes(), attribute.Int("ferryman.batches", r.Batches))
}
