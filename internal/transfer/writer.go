package transfer

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
)

// writer writes lines, and reckons their sum.
type writer struct {
	gz  *gzip.Writer
	buf *bufio.Writer // many small lines at a time
	sum hash.Hash
}

func newWriter(w io.Writer) *writer {
	gz, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // a level that there is
	sum := sha256.New()
	return &writer{gz: gz, buf: bufio.NewWriterSize(io.MultiWriter(gz, sum), 64<<10), sum: sum}
}

func (w *writer) line(b []byte) error {
	_, err := w.buf.Write(b)
	return err
}

func (w *writer) json(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.line(append(b, '\n'))
}

// end writes the last line. It does not close what the lines go to.
func (w *writer) end(rows int64) error {
	if err := w.buf.Flush(); err != nil {
		return err
	}
	sum := hex.EncodeToString(w.sum.Sum(nil))
	return errors.Join(w.json(trailer{End: true, Rows: rows, Sum: sum}), w.buf.Flush(), w.gz.Close())
}
