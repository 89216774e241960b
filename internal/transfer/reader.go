package transfer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// reader reads lines, and reckons their sum.
type reader struct {
	buf  *bufio.Reader
	long []byte // of a line that the buffer does not hold
	sum  hash.Hash
	n    int64 // lines so far
}

func newReader(r io.Reader) (*reader, error) {
	gz, err := gzip.NewReader(bufio.NewReaderSize(r, 64<<10))
	if err != nil {
		return nil, damaged("it is no gzip: %w", err)
	}
	return &reader{buf: bufio.NewReaderSize(gz, 64<<10), sum: sha256.New()}, nil
}

// line gives the next line, which holds until the one after it is asked for. The end
// of the file is io.ErrUnexpectedEOF.
func (r *reader) line() ([]byte, error) {
	r.n++
	r.long = r.long[:0]
	for {
		part, err := r.buf.ReadSlice('\n')
		switch {
		case err == nil && len(r.long) == 0:
			return part, nil
		case len(r.long)+len(part) > maxLine:
			return nil, fmt.Errorf("line %d is too long", r.n)
		case err == nil:
			r.long = append(r.long, part...)
			return r.long, nil
		case errors.Is(err, bufio.ErrBufferFull):
			r.long = append(r.long, part...)
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// counted gives the next line as one that counts for the sum.
func (r *reader) counted() ([]byte, error) {
	line, err := r.line()
	r.sum.Write(line)
	return line, err
}

// json reads a line that is a JSON text of v's form and no other.
func (r *reader) json(v any) error {
	line, err := r.counted()
	if err != nil {
		return err
	}
	return r.strictly(line, v)
}

func (r *reader) strictly(line []byte, v any) error {
	if err := strict(line, v); err != nil {
		return fmt.Errorf("line %d: %w", r.n, err)
	}
	return nil
}

// end reads the last line, and that nothing follows it.
func (r *reader) end(rows int64) error {
	sum := hex.EncodeToString(r.sum.Sum(nil))
	line, err := r.line()
	if err != nil {
		return err
	}
	var t trailer
	switch err := r.strictly(line, &t); {
	case err != nil:
		return err
	case !t.End || t.Rows != rows:
		return fmt.Errorf("it says that it has %d rows, and has %d", t.Rows, rows)
	case t.Sum != sum:
		return errors.New("its sum is another one: it was changed")
	}
	switch _, err := r.buf.ReadByte(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errors.New("something follows its end")
}

func strict(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
