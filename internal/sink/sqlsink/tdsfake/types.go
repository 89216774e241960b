package tdsfake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode/utf16"
)

// Type is a type on the wire; its columns may be NULL.
type Type struct {
	ID               byte
	Size             int // bytes; 0xffff of a text is unlimited
	Precision, Scale byte
}

// Type IDs.
const (
	untyped        = 0x1f
	intN           = 0x26
	dateTime2      = 0x2a
	dateTimeOffset = 0x2b
	bitN           = 0x68
	decimalN       = 0x6a
	numericN       = 0x6c
	floatN         = 0x6d
	nvarchar       = 0xe7
	unlimited      = 0xffff
)

// BigInt is bigint.
func BigInt() Type { return Type{ID: intN, Size: 8} }

// Int is int.
func Int() Type { return Type{ID: intN, Size: 4} }

// Bit is bit.
func Bit() Type { return Type{ID: bitN, Size: 1} }

// Float is float(53).
func Float() Type { return Type{ID: floatN, Size: 8} }

// NVarChar is nvarchar of so many UTF-16 units; 0 is nvarchar(max).
func NVarChar(units int) Type {
	if units == 0 {
		return Type{ID: nvarchar, Size: unlimited}
	}
	return Type{ID: nvarchar, Size: 2 * units}
}

// Decimal is decimal.
func Decimal(precision, scale byte) Type {
	return Type{ID: decimalN, Size: 17, Precision: precision, Scale: scale}
}

// DateTime2 is datetime2.
func DateTime2(scale byte) Type { return Type{ID: dateTime2, Scale: scale} }

// String is the type as SQL has it.
func (t Type) String() string {
	switch t.ID {
	case untyped:
		return "untyped"
	case intN:
		return map[int]string{1: "tinyint", 2: "smallint", 4: "int", 8: "bigint"}[t.Size]
	case bitN:
		return "bit"
	case floatN:
		return map[int]string{4: "real", 8: "float"}[t.Size]
	case decimalN, numericN:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case dateTime2:
		return fmt.Sprintf("datetime2(%d)", t.Scale)
	case dateTimeOffset:
		return fmt.Sprintf("datetimeoffset(%d)", t.Scale)
	case nvarchar:
		if t.Size == unlimited {
			return "nvarchar(max)"
		}
		return fmt.Sprintf("nvarchar(%d)", t.Size/2)
	}
	return fmt.Sprintf("type 0x%x", t.ID)
}

// Column is a column of an answer or of a copy.
type Column struct {
	Name string
	Type Type
}

// Value is a parameter. Its value is nil, int64, float64, bool, string, or
// time.Time with the offset that was sent; a decimal is a string.
type Value struct {
	Name  string
	Type  Type
	Value any
}

// reader takes a request apart. After an error it reads zeros.
type reader struct {
	data []byte
	err  error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = errors.New(what)
	}
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.fail("it ends too soon")
		r.data = nil
		return make([]byte, max(0, min(n, 16)))
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

func (r *reader) text(units int) string { return utf16Text(r.take(2 * units)) }

func utf16Text(data []byte) string {
	codes := make([]uint16, len(data)/2)
	for i := range codes {
		codes[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return string(utf16.Decode(codes))
}

// headers skips what comes before each request, but for the transaction.
func (r *reader) headers() (inTransaction bool) {
	total := int(r.u32())
	headers := &reader{data: r.take(total - 4)}
	for len(headers.data) >= 6 && headers.err == nil {
		size := int(headers.u32())
		if headers.u16() == 2 {
			inTransaction = headers.u64() != 0
			size -= 8
		}
		headers.take(size - 6)
	}
	return inTransaction
}

func (r *reader) typeInfo() Type {
	t := Type{ID: r.u8()}
	switch t.ID {
	case untyped:
	case intN, bitN, floatN:
		t.Size = int(r.u8())
	case decimalN, numericN:
		t.Size, t.Precision, t.Scale = int(r.u8()), r.u8(), r.u8()
	case dateTime2, dateTimeOffset:
		t.Scale = r.u8()
	case nvarchar:
		t.Size = int(r.u16())
		r.take(5) // collation
	default:
		r.fail(fmt.Sprintf("a value of type 0x%x", t.ID))
	}
	return t
}

func (r *reader) value(t Type) any {
	switch t.ID {
	case untyped:
		return nil
	case nvarchar:
		return r.nvarchar(t)
	}
	data := r.take(int(r.u8()))
	if len(data) == 0 {
		return nil
	}
	switch t.ID {
	case intN:
		return int64(little(data)) << (64 - 8*len(data)) >> (64 - 8*len(data)) //nolint:gosec // the bits are meant
	case bitN:
		return data[0] != 0
	case floatN:
		if len(data) == 4 {
			return float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
		}
		return math.Float64frombits(little(data))
	case decimalN, numericN:
		return decimalText(data, int(t.Scale))
	default:
		return timeOf(data, t)
	}
}

func (r *reader) nvarchar(t Type) any {
	if t.Size != unlimited {
		n := r.u16()
		if n == 0xffff {
			return nil
		}
		return r.text(int(n) / 2)
	}
	if r.u64() == math.MaxUint64 {
		return nil
	}
	var text strings.Builder
	for n := r.u32(); n > 0; n = r.u32() {
		text.WriteString(r.text(int(n) / 2))
	}
	return text.String()
}

func little(data []byte) uint64 {
	var whole [8]byte
	copy(whole[:], data)
	return binary.LittleEndian.Uint64(whole[:])
}

func decimalText(data []byte, scale int) string {
	negative := data[0] == 0
	n := new(big.Int)
	for i := len(data) - 1; i > 0; i-- {
		n.Or(n.Lsh(n, 8), big.NewInt(int64(data[i])))
	}
	text := n.String()
	if scale > 0 {
		text = strings.Repeat("0", max(0, scale+1-len(text))) + text
		text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	}
	if negative && n.Sign() != 0 {
		text = "-" + text
	}
	return text
}

func timeOf(data []byte, t Type) time.Time {
	offset := 0
	if t.ID == dateTimeOffset {
		offset = int(int16(binary.LittleEndian.Uint16(data[len(data)-2:]))) //nolint:gosec // the bits are meant
		data = data[:len(data)-2]
	}
	day := len(data) - 3
	clock := time.Duration(little(data[:day])) * 100 //nolint:gosec // below a day
	for range 7 - int(t.Scale) {
		clock *= 10
	}
	at := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(little(data[day:]))).Add(clock) //nolint:gosec // of three bytes
	if t.ID == dateTimeOffset && offset != 0 {
		at = at.In(time.FixedZone("", 60*offset))
	}
	return at
}
