package campaign

import (
	"encoding/binary"
	"encoding/hex"
	"time"
)

// mix makes a number of two that looks like chance and is always the same.
func mix(a, b uint64) uint64 {
	x := a + (b+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// The symbols of ids, in the order of their bytes: each is worth five bits.
const symbols = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

const (
	idLength     = 16
	numberLength = 7 // symbols of an id that hold the contact's number
	numberBits   = 5 * numberLength
	numberMask   = 1<<numberBits - 1
	scramble     = 0x1d3f5a7c9 // odd, so that a number can be had back
	halfBits     = numberBits/2 + 1
)

// appendSymbols writes the lowest n*5 bits of x.
func appendSymbols(b []byte, x uint64, n int) []byte {
	for n--; n >= 0; n-- {
		b = append(b, symbols[x>>(5*n)&31])
	}
	return b
}

// appendID writes 16 symbols by chance.
func appendID(b []byte, x uint64) []byte {
	return appendSymbols(appendSymbols(b, x, 8), mix(x, 8), 8)
}

// appendContactID writes the id of a contact. It holds the contact's number,
// scrambled so that ids come in no order, and is found again without a table.
func appendContactID(b []byte, seed uint64, number uint32) []byte {
	b = appendSymbols(b, scrambled(seed, number), numberLength)
	return appendSymbols(b, mix(seed, uint64(number)), idLength-numberLength)
}

// scrambled is the number as an id begins with it: ids are in the order of these.
func scrambled(seed uint64, number uint32) uint64 {
	x := (uint64(number)*scramble + mix(seed, 1)) & numberMask
	x ^= x >> halfBits
	return x * scramble & numberMask
}

// contactNumber is the number of the contact with the id.
func contactNumber(id string, seed uint64) (uint32, bool) {
	if len(id) != idLength {
		return 0, false
	}
	var x uint64
	for i := range numberLength {
		at := symbolValue(id[i])
		if at < 0 {
			return 0, false
		}
		x = x<<5 | uint64(at)
	}
	back := inverse(scramble)
	x = x * back & numberMask
	x ^= x >> halfBits
	x = (x - mix(seed, 1)) * back & numberMask
	number := uint32(x) //nolint:gosec // the comparison finds what does not fit
	return number, string(appendContactID(nil, seed, number)) == id
}

func symbolValue(c byte) int {
	for i := range len(symbols) {
		if symbols[i] == c {
			return i
		}
	}
	return -1
}

// inverse is what undoes a multiplication by an odd number, modulo a power of two.
func inverse(odd uint64) uint64 {
	x := odd
	for range 5 { // each step doubles the bits that are right
		x *= 2 - odd*x
	}
	return x
}

// appendMD5 writes 32 hexadecimal digits, of which the first 16 are hi.
func appendMD5(b []byte, hi uint64) []byte {
	return appendHex(appendHex(b, hi), mix(hi, 2))
}

func appendHex(b []byte, x uint64) []byte {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], x)
	return hex.AppendEncode(b, raw[:])
}

const (
	stampFormat = "2006-01-02T15:04:05.000Z"
	second      = int64(1_000)
	hour        = 3600 * second
	day         = 24 * hour
)

// appendStamp writes a time, which is milliseconds since 1970, as the API does.
func appendStamp(b []byte, at int64) []byte {
	return time.UnixMilli(at).UTC().AppendFormat(b, stampFormat)
}

// dayOf is the day of a time, counted from 1970.
func dayOf(at int64) uint64 { return uint64(max(at, 0) / day) }
