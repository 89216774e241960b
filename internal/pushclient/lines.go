package pushclient

import (
	"github.com/go-json-experiment/json/jsontext"
)

// Line is a message of a file.
type Line struct {
	N        int64          // where it begins, from 1 on
	Bytes    int64          // how much of the file it takes
	JSON     jsontext.Value // the message; nil if there are Problems
	Raw      string         // what stands there instead, as far as it is known
	Problems []Problem      // what is wrong with it already here
}

// Lines gives the messages of a file one by one, and io.EOF after the last. An
// error ends it. What is wrong with a single message is told in the Line.
type Lines interface {
	Next() (Line, error)
}

// maxLine is how long a message of a file may be: the longest text, each
// character of it escaped, takes a third of this.
const maxLine = 256 << 10

// byteOrderMark is what some programs begin a file of UTF-8 with.
const byteOrderMark = "\uFEFF"

const tooLong = "longer than 256 KiB"
