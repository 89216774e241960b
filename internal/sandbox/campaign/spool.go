package campaign

import (
	"bufio"
	"io"
	"os"
	"slices"
	"strings"
)

// spool keeps rows in a file until all are there to be sorted: what a large
// campaign has of them is more than memory should hold.
type spool struct {
	file  *os.File
	to    *bufio.Writer
	size  int64
	index []place
}

// place is where a row stands in the file.
type place struct {
	key  string
	at   int64
	size int
}

func newSpool() (*spool, error) {
	file, err := os.CreateTemp("", "sandbox-rows-*")
	if err != nil {
		return nil, err
	}
	return &spool{file: file, to: bufio.NewWriterSize(file, 1<<16)}, nil
}

func (s *spool) remove() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}

func (s *spool) add(r row) error {
	s.index = append(s.index, place{r.key, s.size, len(r.json)})
	s.size += int64(len(r.json))
	_, err := s.to.Write(r.json)
	return err
}

// writeTo writes the rows in the order of their keys.
func (s *spool) writeTo(out io.Writer) error {
	if err := s.to.Flush(); err != nil {
		return err
	}
	slices.SortFunc(s.index, func(a, b place) int { return strings.Compare(a.key, b.key) })
	var text []byte
	for _, p := range s.index {
		text = slices.Grow(text[:0], p.size)[:p.size]
		if _, err := s.file.ReadAt(text, p.at); err != nil {
			return err
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	return nil
}
