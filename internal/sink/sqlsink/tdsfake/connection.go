package tdsfake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// Types of packets.
const (
	packBatch     = 1
	packRPC       = 3
	packReply     = 4
	packAttention = 6
	packCopy      = 7
	packManager   = 14
	packLogin     = 16
	packPrelogin  = 18
)

// connection is one client's.
type connection struct {
	net.Conn
	server *Server
	number int

	encryption  byte
	transaction uint64
}

var errDropped = errors.New("dropped by the script")

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errDropped) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// packet reads one packet.
func (c *connection) packet() (kind, status byte, data []byte, err error) {
	var header [8]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		return 0, 0, nil, err
	}
	size := int(binary.BigEndian.Uint16(header[2:]))
	if size < len(header) {
		return 0, 0, nil, fmt.Errorf("a packet of %d bytes", size)
	}
	data = make([]byte, size-len(header))
	_, err = io.ReadFull(c, data)
	return header[0], header[1], data, err
}

// message reads packets up to the last of a request.
func (c *connection) message() (kind byte, reset bool, data []byte, err error) {
	for first := true; ; first = false {
		k, status, part, err := c.packet()
		if err != nil {
			return 0, false, nil, err
		}
		if !first && k != kind {
			return 0, false, nil, fmt.Errorf("a packet of type %d in a request of type %d", k, kind)
		}
		kind, reset, data = k, reset || status&8 != 0, append(data, part...)
		if status&1 != 0 {
			return kind, reset, data, nil
		}
	}
}

// send writes packets, the last of which ends the answer if it is whole.
func (c *connection) send(data []byte, whole bool) error {
	const most = 4096 - 8
	for number := byte(1); ; number++ {
		n := min(most, len(data))
		status := byte(0)
		if whole && n == len(data) {
			status = 1
		}
		header := []byte{packReply, status, 0, 0, 0, 0, number, 0}
		binary.BigEndian.PutUint16(header[2:], uint16(n+8))
		if _, err := c.Write(append(header, data[:n]...)); err != nil {
			return err
		}
		if data = data[n:]; len(data) == 0 {
			return nil
		}
	}
}

// serve answers until the connection ends, and says why.
func (c *connection) serve() error {
	for {
		kind, reset, data, err := c.message()
		if err != nil {
			return err
		}
		r := Request{Connection: c.number, Reset: reset}
		in := &reader{data: data}
		switch kind {
		case packPrelogin:
			err = c.prelogin(data)
			if err != nil {
				return err
			}
			continue
		case packLogin:
			r.Kind, r.User = Login, readLogin(in, c.encryption)
		case packAttention:
			r.Kind = Attention
		case packBatch:
			r.Kind, r.InTransaction = Batch, in.headers()
			r.Text = in.text(len(in.data) / 2)
		case packRPC:
			r.Kind, r.InTransaction = RPC, in.headers()
			readRPC(in, &r)
		case packManager:
			r.InTransaction = in.headers()
			r.Kind = map[uint16]Kind{5: Begin, 7: Commit, 8: Rollback}[in.u16()]
		case packCopy:
			r.Kind, r.InTransaction = Copy, c.transaction != 0
			readCopy(in, &r)
		default:
			return fmt.Errorf("a request of type %d", kind)
		}
		if in.err != nil {
			return fmt.Errorf("a request of kind %q: %w", r.Kind, in.err)
		}
		if err := c.reply(r, c.server.ask(r)); err != nil {
			return err
		}
	}
}

func (c *connection) reply(r Request, reply Reply) error {
	out := &writer{}
	switch reply.Then {
	case Drop:
		return errDropped
	case Hang:
		return c.hang()
	case DropInRow:
		out.metadata(reply.Columns)
		out.u8(tokenRow)
		if err := c.send(out.data, false); err != nil {
			return err
		}
		return errDropped
	}
	if r.Kind == Attention {
		out.done(tokenDone, doneAttention, 0)
		return c.send(out.data, true)
	}
	c.state(out, r, reply)
	if out.answer(r, reply); out.err != nil {
		return out.err
	}
	if err := c.send(out.data, true); err != nil {
		return err
	}
	switch reply.Then {
	case DropInCopy:
		_, _, _, err := c.packet()
		return errors.Join(errDropped, err)
	case HangInCopy:
		if _, _, _, err := c.packet(); err != nil {
			return err
		}
		c.server.ask(Request{Connection: c.number, Kind: Copy})
		_, err := io.Copy(io.Discard, c)
		return err
	}
	return nil
}

// state tells the client of transactions that begin and end.
func (c *connection) state(out *writer, r Request, reply Reply) {
	switch {
	case r.Kind == Begin && reply.Error == nil:
		c.transaction++
		out.transaction(8, c.transaction, 0)
	case r.Kind == Commit && reply.Error == nil:
		out.transaction(9, 0, c.transaction)
	case r.Kind == Rollback, reply.Error != nil && reply.Error.EndsTransaction:
		out.transaction(10, 0, c.transaction)
	}
}

// hang waits for the client to give up, and confirms that.
func (c *connection) hang() error {
	kind, _, _, err := c.packet()
	if err != nil {
		return err
	}
	if kind != packAttention {
		return fmt.Errorf("a packet of type %d while the answer is pending", kind)
	}
	return c.reply(Request{Kind: Attention}, c.server.ask(Request{Connection: c.number, Kind: Attention}))
}

// prelogin says that there is no encryption.
func (c *connection) prelogin(data []byte) error {
	for at := 0; at+5 <= len(data) && data[at] != 0xff; at += 5 {
		if offset := int(binary.BigEndian.Uint16(data[at+1:])); data[at] == 1 && offset < len(data) {
			c.encryption = data[offset]
		}
	}
	const none = 2
	return c.send([]byte{
		0, 0, 11, 0, 6, // version
		1, 0, 17, 0, 1, // encryption
		0xff,
		16, 0, 0, 0, 0, 0,
		none,
	}, true)
}

func readLogin(in *reader, encryption byte) LoginRecord {
	field := func(place int) []byte {
		at := 36 + 4*place
		if len(in.data) < at+4 {
			in.fail("a short login")
			return nil
		}
		from, units := int(binary.LittleEndian.Uint16(in.data[at:])), int(binary.LittleEndian.Uint16(in.data[at+2:]))
		if from+2*units > len(in.data) {
			in.fail("a login with a field beyond its end")
			return nil
		}
		return append([]byte(nil), in.data[from:from+2*units]...)
	}
	password := field(2)
	for i, b := range password {
		b ^= 0xa5
		password[i] = b<<4 | b>>4
	}
	return LoginRecord{
		Name: utf16Text(field(1)), Password: utf16Text(password), Application: utf16Text(field(3)),
		Server: utf16Text(field(4)), Database: utf16Text(field(8)), Encryption: encryption,
	}
}

func readRPC(in *reader, r *Request) {
	if in.u16() != 0xffff || in.u16() != 10 {
		in.fail("a procedure other than sp_executesql")
		return
	}
	in.u16() // options
	for in.err == nil && len(in.data) > 0 {
		v := Value{Name: in.text(int(in.u8()))}
		in.u8() // status
		v.Type = in.typeInfo()
		v.Value = in.value(v.Type)
		r.Params = append(r.Params, v)
	}
	if len(r.Params) < 2 {
		in.fail("sp_executesql without a statement")
		return
	}
	r.Text, _ = r.Params[0].Value.(string)
	r.Params = r.Params[2:] // without the declarations
}

func readCopy(in *reader, r *Request) {
	if in.u8() != tokenMetadata {
		in.fail("a copy without columns")
		return
	}
	for range in.u16() {
		in.u32() // user's type
		in.u16() // flags
		c := Column{Type: in.typeInfo()}
		c.Name = in.text(int(in.u8()))
		r.Columns = append(r.Columns, c)
	}
	for in.err == nil {
		switch token := in.u8(); token {
		case tokenRow:
			row := make([]any, len(r.Columns))
			for i, c := range r.Columns {
				row[i] = in.value(c.Type)
			}
			r.Rows = append(r.Rows, row)
		case tokenDone:
			return
		default:
			in.fail(fmt.Sprintf("the token %d in a copy", token))
		}
	}
}

// IsCopy tells whether a statement announces rows.
func IsCopy(r Request) bool { return r.Kind == Batch && strings.HasPrefix(r.Text, "INSERT BULK ") }
