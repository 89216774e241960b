package push

import "time"

// decodeMove reads the new time of a message; nil is at once.
func decodeMove(body []byte) (*time.Time, error) {
	r, err := newReader(body)
	if err != nil {
		return nil, err
	}
	start, err := r.move()
	return start, r.explain(err)
}

func (r *reader) move() (*time.Time, error) {
	if r.d.PeekKind() != '{' {
		g, err := r.value()
		if err == nil {
			err = r.end()
		}
		if err != nil {
			return nil, err
		}
		return nil, refused(whole, notDictionary(g.typeName()))
	}
	var values [len(fieldNames)]given
	if err := r.object(&values); err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	if values[startAt].kind == 0 {
		return nil, refused("start_at", isRequired)
	}
	start, texts := values[startAt].time()
	if texts != nil {
		return nil, faults{{"start_at", texts}}.refusal()
	}
	return start, nil
}
