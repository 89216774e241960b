package schedule

import (
	"math/bits"
	"time"
)

// pattern is the set of wall times of an expression: for each field, the bits
// whose positions are its values.
type pattern struct {
	minute, hour uint64
	day          uint64 // of the month, from 1
	month        uint64 // from 1
	weekday      uint64 // from Sunday, 0
	either       bool   // a day of the month or of the week suffices; else it must be both
}

// horizon is the number of months in which a pattern comes up that ever does:
// 29 February may be eight years off, as in 2096.
const horizon = 8*12 + 1

func (p pattern) everyHour() bool { return p.hour == 1<<24-1 }

// next is the first wall time of p after the given one; false if there is none.
func (p pattern) next(wall int64) (int64, bool) {
	at := time.Unix(wall, 0).UTC()
	year, month, day := at.Date()
	days := p.days(year, month)
	if days>>day&1 != 0 {
		if hour, minute, ok := p.later(at.Hour(), at.Minute()); ok {
			return unix(year, month, day, hour, minute), true
		}
	}
	days &= ^uint64(0) << (day + 1)
	for range horizon {
		if days != 0 {
			return unix(year, month, bits.TrailingZeros64(days),
				bits.TrailingZeros64(p.hour), bits.TrailingZeros64(p.minute)), true
		}
		if month++; month > time.December {
			year, month = year+1, time.January
		}
		days = p.days(year, month)
	}
	return 0, false
}

// later is the first time of p on a day after hour:minute.
func (p pattern) later(hour, minute int) (int, int, bool) {
	if rest := p.minute >> (minute + 1); p.hour>>hour&1 != 0 && rest != 0 {
		return hour, minute + 1 + bits.TrailingZeros64(rest), true
	}
	rest := p.hour >> (hour + 1)
	return hour + 1 + bits.TrailingZeros64(rest), bits.TrailingZeros64(p.minute), rest != 0
}

// days is the days of p in a month, as bits from 1.
func (p pattern) days(year int, month time.Month) uint64 {
	if p.month>>month&1 == 0 {
		return 0
	}
	const weeks = 1 | 1<<7 | 1<<14 | 1<<21 | 1<<28 | 1<<35
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	ofWeek := p.weekday * weeks >> first.Weekday() << 1
	all := uint64(1)<<(time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()+1) - 2 // all but bit 0
	if p.either {
		return (p.day | ofWeek) & all
	}
	return p.day & ofWeek & all
}

func unix(year int, month time.Month, day, hour, minute int) int64 {
	return time.Date(year, month, day, hour, minute, 0, 0, time.UTC).Unix()
}
