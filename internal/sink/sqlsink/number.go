package sqlsink

import (
	"strconv"
	"strings"
)

// number is a decimal number: digits, without zeros at either end, times ten to
// the power of exponent. Zero has no digits.
type number struct {
	negative bool
	digits   string
	exponent int
}

// parseNumber reads a JSON number. One whose exponent is larger than any
// database takes is none.
func parseNumber(s string) (n number, ok bool) {
	rest, negative := strings.CutPrefix(s, "-")
	mantissa, power := rest, ""
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa, power = rest[:i], rest[i+1:]
		if strings.HasPrefix(power, "+") || strings.HasPrefix(power, "-") {
			if !onlyDigits(power[1:]) {
				return number{}, false
			}
		} else if !onlyDigits(power) {
			return number{}, false
		}
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if !onlyDigits(whole) || len(whole) > 1 && whole[0] == '0' || point && !onlyDigits(fraction) {
		return number{}, false
	}
	fraction = strings.TrimRight(fraction, "0")
	digits := whole + fraction
	significant := strings.TrimRight(digits, "0")
	n = number{negative: negative, digits: strings.TrimLeft(significant, "0"), exponent: len(digits) - len(significant) - len(fraction)}
	if n.digits == "" {
		return number{}, true
	}
	if power != "" {
		exponent, err := strconv.ParseInt(power, 10, 32)
		if err != nil {
			return number{}, false
		}
		n.exponent += int(exponent)
	}
	return n, true
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// integral is the number without point and exponent, if it is whole and not
// longer than any type of integers or decimals needs.
func (n number) integral() (string, bool) {
	const longest = 1000
	switch {
	case n.digits == "":
		return "0", true
	case n.exponent < 0 || n.exponent > longest || len(n.digits)+n.exponent > longest:
		return "", false
	}
	plain := n.digits + strings.Repeat("0", n.exponent)
	if n.negative {
		plain = "-" + plain
	}
	return plain, true
}

func (n number) isInt64() bool {
	plain, ok := n.integral()
	if ok {
		_, err := strconv.ParseInt(plain, 10, 64)
		ok = err == nil
	}
	return ok
}

// survives tells whether a floating-point number of so many bits is read back as
// the same number.
func (n number) survives(bits int) bool {
	const longest = 20 // a shortest form has at most 17
	if len(n.digits) > longest {
		return false
	}
	f, err := strconv.ParseFloat(n.digits+"e"+strconv.Itoa(n.exponent), bits)
	if err != nil {
		return n.digits == ""
	}
	back, _ := parseNumber(strconv.FormatFloat(f, 'e', -1, bits))
	return back.digits == n.digits && back.exponent == n.exponent
}

// whole and fraction are how many digits a number has before and after its point.
func (n number) whole() int    { return max(0, len(n.digits)+n.exponent) }
func (n number) fraction() int { return max(0, -n.exponent) }

// fitsBits tells whether a plain whole number is one of so many bits.
func fitsBits(plain string, bits int, unsigned bool) bool {
	var err error
	if unsigned {
		_, err = strconv.ParseUint(plain, 10, bits)
	} else {
		_, err = strconv.ParseInt(plain, 10, bits)
	}
	return err == nil
}
