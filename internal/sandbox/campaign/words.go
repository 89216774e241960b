package campaign

import "strconv"

// The words that made-up data is made of. Tasks come with the prefixes that one
// filters by.
var (
	tasks    = [...]string{"fc_lead", "fc_retry", "qc_check", "callback"}
	statuses = [...]string{"open", "success", "failure", "declined"}
	agents   = [...]string{"amelie.stern", "bjarne.holm", "carla.weiss", "deniz.akin", "ewa.lis", "finn.moor", "gitte.dahl", "hugo.baum"}
	towns    = [...]string{"Münster", "Lübeck", "Görlitz", "Łódź", "Århus", "Zürich", "Besançon", "Brixen"}
)

// filler is text to cut longer values from.
const filler = "the customer asked for an offer by mail and would like to be called again next week in the afternoon " +
	"because the contract ends in autumn and another supplier has named a price that is hard to beat so the terms of delivery " +
	"ought to be gone through first together with the colleague who signs and knows what was agreed two years ago when it began " +
	"mention the discount for the larger volume and that the first month is free ask about the branch in the north as well "

// appendFiller writes between least and least+more characters of text.
func appendFiller(b []byte, chance uint64, least, more int) []byte {
	n := least + int(chance%uint64(more))                    //nolint:gosec // small
	at := int(chance >> 32 % uint64(len(filler)-least-more)) //nolint:gosec // small
	return append(b, filler[at:at+n]...)
}

func appendPhone(b []byte, chance uint64) []byte {
	return strconv.AppendUint(append(b, "+49"...), 1_510_000_000+chance%400_000_000, 10)
}

// appendAmount writes a number with two places or none.
func appendAmount(b []byte, chance uint64) []byte {
	b = strconv.AppendUint(b, chance%100_000, 10)
	if chance>>20&1 == 0 {
		b = append(b, '.', byte('0'+chance>>21%10), byte('1'+chance>>25%9))
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendText writes a text as JSON. Only what must be escaped is.
func appendText(b []byte, text string) []byte {
	b = append(b, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
