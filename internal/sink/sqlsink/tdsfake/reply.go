package tdsfake

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf16"
)

// Tokens of answers and copies.
const (
	tokenReturnStatus = 0x79
	tokenMetadata     = 0x81
	tokenError        = 0xaa
	tokenLoginAck     = 0xad
	tokenRow          = 0xd1
	tokenEnvChange    = 0xe3
	tokenDone         = 0xfd
	tokenDoneProc     = 0xfe
	tokenDoneInProc   = 0xff
)

// Bits of DONE.
const (
	doneMore      = 1
	doneError     = 2
	doneCount     = 0x10
	doneAttention = 0x20
)

// writer puts an answer together.
type writer struct {
	data []byte
	err  error
}

func (w *writer) u8(b byte)    { w.data = append(w.data, b) }
func (w *writer) u16(n uint16) { w.data = binary.LittleEndian.AppendUint16(w.data, n) }
func (w *writer) u32(n uint32) { w.data = binary.LittleEndian.AppendUint32(w.data, n) }
func (w *writer) u64(n uint64) { w.data = binary.LittleEndian.AppendUint64(w.data, n) }

func utf16Bytes(text string) []byte {
	var data []byte
	for _, code := range utf16.Encode([]rune(text)) {
		data = binary.LittleEndian.AppendUint16(data, code)
	}
	return data
}

// short writes a text of up to 255 units, long one of up to 65,535.
func (w *writer) short(text string) {
	data := utf16Bytes(text)
	w.u8(byte(len(data) / 2)) //nolint:gosec // tests use short names
	w.data = append(w.data, data...)
}

func (w *writer) long(text string) {
	data := utf16Bytes(text)
	w.u16(uint16(len(data) / 2)) //nolint:gosec // tests use short messages
	w.data = append(w.data, data...)
}

func (w *writer) answer(r Request, reply Reply) {
	end := byte(tokenDone)
	if r.Kind == RPC {
		end = tokenDoneProc
	}
	if reply.Error != nil {
		w.error(reply.Error)
		w.done(end, doneError, 0)
		return
	}
	if r.Kind == Login {
		w.loginAck()
	}
	if len(reply.Columns) > 0 {
		w.metadata(reply.Columns)
		for _, row := range reply.Rows {
			w.u8(tokenRow)
			for i, c := range reply.Columns {
				w.value(c.Type, row[i])
			}
		}
		reply.Count = int64(len(reply.Rows))
	}
	count := uint64(max(0, reply.Count))
	if r.Kind == Copy {
		count = uint64(len(r.Rows))
	}
	if r.Kind == RPC {
		w.done(tokenDoneInProc, doneCount|doneMore, count)
		w.u8(tokenReturnStatus)
		w.u32(0)
		w.done(end, 0, 0)
		return
	}
	w.done(end, doneCount, count)
}

func (w *writer) done(token byte, status uint16, count uint64) {
	w.u8(token)
	w.u16(status)
	w.u16(0)
	w.u64(count)
}

func (w *writer) error(e *Error) {
	body := &writer{}
	body.u32(uint32(e.Number)) //nolint:gosec // the bits are meant
	body.u8(1)                 // state
	body.u8(16)                // class
	body.long(e.Message)
	body.short("fake")
	body.short("")
	body.u32(1) // line
	w.u8(tokenError)
	w.u16(uint16(len(body.data))) //nolint:gosec // tests use short messages
	w.data = append(w.data, body.data...)
}

func (w *writer) loginAck() {
	body := &writer{}
	body.u8(1)
	body.data = append(body.data, 0x74, 0, 0, 4) // TDS 7.4
	body.short("Microsoft SQL Server")
	body.data = append(body.data, 16, 0, 0, 0)
	w.u8(tokenLoginAck)
	w.u16(uint16(len(body.data))) //nolint:gosec // a few bytes
	w.data = append(w.data, body.data...)
}

// transaction tells of one that began (8), was committed (9) or rolled back (10).
func (w *writer) transaction(change byte, now, before uint64) {
	body := &writer{}
	body.u8(change)
	for _, id := range []uint64{now, before} {
		if id == 0 {
			body.u8(0)
			continue
		}
		body.u8(8)
		body.u64(id)
	}
	w.u8(tokenEnvChange)
	w.u16(uint16(len(body.data))) //nolint:gosec // a few bytes
	w.data = append(w.data, body.data...)
}

func (w *writer) metadata(columns []Column) {
	w.u8(tokenMetadata)
	w.u16(uint16(len(columns))) //nolint:gosec // tests use few
	for _, c := range columns {
		w.u32(0)
		w.u16(1) // may be NULL
		w.u8(c.Type.ID)
		switch c.Type.ID {
		case decimalN:
			w.data = append(w.data, byte(c.Type.Size), c.Type.Precision, c.Type.Scale) //nolint:gosec // 17
		case dateTime2:
			w.u8(c.Type.Scale)
		case nvarchar:
			w.u16(uint16(c.Type.Size)) //nolint:gosec // at most 0xffff
			w.data = append(w.data, 0x09, 0x04, 0xd0, 0x00, 0x34)
		default:
			w.u8(byte(c.Type.Size)) //nolint:gosec // at most 8
		}
		w.short(c.Name)
	}
}

func (w *writer) value(t Type, v any) {
	if v == nil {
		switch {
		case t.ID == nvarchar && t.Size == unlimited:
			w.u64(math.MaxUint64)
		case t.ID == nvarchar:
			w.u16(0xffff)
		default:
			w.u8(0)
		}
		return
	}
	switch v := v.(type) {
	case int64:
		data := binary.LittleEndian.AppendUint64(nil, uint64(v))[:t.Size] //nolint:gosec // the bits are meant
		w.data = append(append(w.data, byte(t.Size)), data...)            //nolint:gosec // at most 8
	case bool:
		b := byte(0)
		if v {
			b = 1
		}
		w.data = append(w.data, 1, b)
	case time.Time:
		w.time(t, v)
	case string:
		data := utf16Bytes(v)
		if t.Size == unlimited {
			w.u64(uint64(len(data)))
			if len(data) > 0 {
				w.u32(uint32(len(data))) //nolint:gosec // tests use short texts
			}
			w.data = append(w.data, data...)
			w.u32(0)
			return
		}
		w.u16(uint16(len(data))) //nolint:gosec // tests use short texts
		w.data = append(w.data, data...)
	default:
		w.err = fmt.Errorf("no way to send a %T", v)
	}
}

func (w *writer) time(t Type, at time.Time) {
	const firstDay = 719162 // of 1970, counted from that of the year 1
	seconds := at.Unix() + firstDay*86400
	clock := uint64(seconds%86400)*1e7 + uint64(at.Nanosecond())/100 //nolint:gosec // not negative
	for range 7 - int(t.Scale) {
		clock /= 10
	}
	size := [...]int{3, 3, 3, 4, 4, 5, 5, 5}[t.Scale]
	w.u8(byte(size + 3)) //nolint:gosec // at most 8
	w.data = append(w.data, binary.LittleEndian.AppendUint64(nil, clock)[:size]...)
	w.data = append(w.data, binary.LittleEndian.AppendUint64(nil, uint64(seconds/86400))[:3]...) //nolint:gosec // not negative
}
