package dialfire

import "time"

// tempo are the sizes and times that are nobody's setting.
type tempo struct {
	page int // entries of a page

	batchEnough int // contacts of a batch that is given at the end of a page
	batchMost   int // and of any batch
	batchBytes  int // of answers
	quietPages  int // after which the place is given even if nothing was found

	// How far windows reach back behind what was covered: events and calls may come
	// late, and the clocks may differ.
	eventOverlap, callOverlap time.Duration
	// margin is how much earlier a listing of changes begins than the last one did: the
	// API counts in days, of a time zone that it does not tell.
	margin       time.Duration
	changesEvery time.Duration
	recheckEvery time.Duration
	recheckSpan  time.Duration

	firstPause, longestPause time.Duration   // between the tries of a call
	refused                  []time.Duration // the pauses after a token was refused that had been accepted
}

func defaultTempo() tempo {
	return tempo{
		page:         1000,
		batchEnough:  500,
		batchMost:    1000,
		batchBytes:   8 << 20,
		quietPages:   16,
		eventOverlap: 10 * time.Minute,
		callOverlap:  2 * time.Hour,
		margin:       14 * time.Hour,
		changesEvery: 5 * time.Minute,
		recheckEvery: 12 * time.Hour,
		recheckSpan:  24 * time.Hour,
		firstPause:   500 * time.Millisecond,
		longestPause: 30 * time.Second,
		refused:      []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second},
	}
}
