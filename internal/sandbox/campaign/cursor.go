package campaign

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// A cursor tells the next page's reader after which entry of which list to go on.
// Its end is there to be escaped: a client that does not loses its place.
const cursorEnd = "+/&limit=1#%2B"

// cursorOf writes a cursor of the list.
func cursorOf(list byte, last entry) string {
	raw := append(make([]byte, 0, 17), list)
	raw = binary.BigEndian.AppendUint64(raw, last.a)
	raw = binary.BigEndian.AppendUint64(raw, last.b)
	return base64.StdEncoding.EncodeToString(raw) + cursorEnd
}

// readCursor is the entry that a cursor of the list names.
func readCursor(list byte, text string) (entry, error) {
	front, whole := strings.CutSuffix(text, cursorEnd)
	raw, err := base64.StdEncoding.DecodeString(front)
	if !whole || err != nil || len(raw) != 17 || raw[0] != list {
		return entry{}, fmt.Errorf("cursor %q is none of this list, or was not escaped", text)
	}
	return entry{binary.BigEndian.Uint64(raw[1:]), binary.BigEndian.Uint64(raw[9:])}, nil
}
