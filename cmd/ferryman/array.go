package main

import (
	"bytes"
	"encoding/json"
	"io"
)

// arrayWriter writes a JSON array of any length, an element at a time, and ends it
// with close.
type arrayWriter struct {
	out   io.Writer
	begun bool
}

func (w *arrayWriter) add(v any) error {
	var b bytes.Buffer
	if w.begun {
		b.WriteByte(',')
	} else {
		b.WriteByte('[')
	}
	w.begun = true
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.out.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return err
}

func (w *arrayWriter) close() error {
	end := "]\n"
	if !w.begun {
		end = "[]\n"
	}
	_, err := io.WriteString(w.out, end)
	return err
}
