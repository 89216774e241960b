package dialfire

import (
	"fmt"
	"strings"
	"testing"
)

// usualContacts are contacts of about ten kilobytes.
func usualContacts(n int) []byte {
	recording := `{"started":"2018-12-27T11:41:48.730Z","stopped":"2018-12-27T11:46:20.001Z","location":"eu/%d/%d/%d/a.mp3"}`
	connection := `{"id":"9b0e7c52-3f0e-4b0c-%04d-%04d%04d","call_uuid":"9b0e7c52-3f0e-4b0c-9d5b-0b8d2a1f0001","phone":"+49 30 5550142","user":"U5H8K2P9",` +
		`"fired":"2018-12-27T11:41:40.249Z","started":"2018-12-27T11:41:41.000Z","connected":"2018-12-27T11:41:48.730Z","disconnected":"2018-12-27T11:46:20.001Z",` +
		`"duration":271.271,"remote_number":"+49305550142","technology":"sip","result":"success","code":200,"recordings":[` + recording + `]}`
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,{"$id":"7KQ4VXH2MDR9%04d","$md5":"5d1f0a1c6f4f0e0b6a7f4a1f3a1c9e77","$version":"1545911211385","$task":"fc_anruf","$phone":"+49 30 5550142"`, i)
		for field := range 60 {
			fmt.Fprintf(&b, `,"field %d":"Bäckerei Müller & Söhne"`, field)
		}
		b.WriteString(`,"$task_log":[{"transactions":[`)
		for j := range 8 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"fired":"2018-12-%02dT11:46:51.385Z","type":"update","task":"fc_anruf","status":"success","user":"U5H8K2P9","user_loginName":"anna",`+
				`"edit_time_sec":31.5,"wrapup_time_sec":4,"isHI":true,"result":"success","connections":[`+connection+`]}`, j+1, i, j, 0, i, j, 0)
		}
		b.WriteString(`]}]}`)
	}
	return []byte("[" + b.String()[1:] + "]")
}

func BenchmarkDecode(b *testing.B) {
	var fields []Field
	for i := range 60 {
		fields = append(fields, Field{Name: fmt.Sprint("field ", i)})
	}
	l := newLayout(layoutOptions{fields: fields})
	data := usualContacts(20)
	b.Run("rows", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			rows := 0
			err := l.decodeContacts(data, func(c contact) error {
				rows += 1 + len(c.transactions) + len(c.connections) + len(c.recordings)
				return nil
			})
			if err != nil || rows != 20*(1+3*8) {
				b.Fatal(rows, err)
			}
		}
	})
	b.Run("postings", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			postings := 0
			err := decodePostings(data, Filter{}, func(posting) error { postings++; return nil })
			if err != nil || postings != 20*8 {
				b.Fatal(postings, err)
			}
		}
	})
}
