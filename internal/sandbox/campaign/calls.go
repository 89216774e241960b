package campaign

import "strconv"

// firstCalls is how many inbound calls there are from the beginning.
func (c *campaign) firstCalls() int { return c.Contacts / 10 }

// callAt is when an inbound call came.
func (c *campaign) callAt(call int) int64 {
	if late := call - c.firstCalls(); late >= 0 {
		return c.history.log[c.history.calls[late]-1].at
	}
	return c.start - 1 - int64(mix(c.Seed^8, uint64(call))%uint64(daysOfPast*day)) //nolint:gosec // both are small
}

// callThere tells whether a call had come by a moment.
func (c *campaign) callThere(call int, m moment) bool {
	late := call - c.firstCalls()
	return late < 0 || moment(c.history.calls[late]) <= m
}

// appendCall writes an inbound call that came at a time.
func (c *campaign) appendCall(b []byte, call int, at int64) []byte {
	chance := mix(c.Seed^9, uint64(call)) //nolint:gosec // never negative
	odd := -1                             // which of the odd ones it is
	if len(c.nasties) > 0 {
		odd = call % 16
	}
	b = append(b, `{"id":`...)
	switch {
	case odd == 0:
		b = strconv.AppendInt(b, 900_000_000+int64(call), 10)
	case odd == 1:
		b = strconv.AppendInt(append(b, "12345678901234567890"...), int64(call)+1_000, 10)
	default:
		b = append(appendID(append(b, '"'), mix(chance, 1)), '"')
	}
	b = append(b, `,"line_id":"`...)
	b = appendSymbols(b, chance%4, idLength)
	b = append(append(b, `","campaign_id":"`...), c.Campaign...)
	b = append(b, `","task_id":"`...)
	b = appendSymbols(b, chance>>4%3, idLength)
	b = append(append(b, `","task_name":"`...), tasks[chance>>4%uint64(len(tasks))]...)
	b = append(b, `","contact_id":`...)
	if chance>>8&3 == 0 || c.Contacts == 0 {
		b = append(b, "null"...)
	} else {
		b = append(appendContactID(append(b, '"'), c.Seed, uint32(chance>>10%uint64(c.Contacts))), '"') //nolint:gosec // at most maxContacts
	}
	b = append(appendPhone(append(b, `,"calling_number":"`...), mix(chance, 2)), `","called_number":"+4980012300`...)
	b = strconv.AppendUint(b, 10+chance%80, 10)
	b = appendStamp(append(b, `","call_time":"`...), at)
	b = append(b, '"')
	connected := chance>>12&3 != 0
	if connected {
		b = append(appendStamp(append(b, `,"connect_time":"`...), at+8*second), `","user":"`...)
		b = append(append(b, agents[chance>>14%uint64(len(agents))]...), `","state":"connected"`...)
	} else {
		b = append(b, `,"connect_time":null,"user":null,"state":"missed"`...)
	}
	b = append(appendStamp(append(b, `,"hangup_time":"`...), at+80*second), '"')
	if odd >= 0 && odd < len(oddCalls) {
		return append(append(b, oddCalls[odd]...), '}')
	}
	b = appendStamp(append(b, `,"connectable_time":"`...), at+2*second)
	return append(b, `","disposition":"answered","dispatch_error":false}`...)
}
