package alert

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ferryman/internal/db"
	"ferryman/internal/fault"
	"ferryman/internal/ledger"
)

// Recipient is somebody who is told of events.
type Recipient struct {
	ID        int64
	Channel   string // of the outbox: telegram, viber, whatsapp or webhook/NAME
	Address   string // a chat's or a person's id there; of a webhook its name
	App       string // the application whose events these are; "" for every one
	Kinds     []ledger.EventKind
	CreatedAt time.Time
}

// Faults that callers branch on with errors.Is.
var (
	ErrNotFound = &fault.Error{Kind: fault.NotFound, Code: "recipient_unknown", Detail: "there is no such recipient of alerts"}
	ErrExists   = &fault.Error{
		Kind: fault.Conflict, Code: "recipient_exists", Detail: "there is such a recipient of alerts for the same application already",
		Hint: "remove that one first to change of what it is told",
	}
	ErrNoWebhook = &fault.Error{
		Kind: fault.NotFound, Code: "webhook_unknown", Detail: "there is no such webhook",
		Hint: "see ferryman webhook list, or add it first with ferryman webhook add",
	}
)

const (
	maxRecipients = 1000
	maxAddress    = 200 // characters
	webhookPrefix = "webhook/"
)

// Messengers are the channels by which people are told.
func Messengers() []string { return []string{"telegram", "viber", "whatsapp"} }

// DefaultKinds are what a recipient is told of who does not choose: troubles, and
// that they are over.
func DefaultKinds() []ledger.EventKind {
	return []ledger.EventKind{ledger.EventMissed, ledger.EventOverdue, ledger.EventFailing, ledger.EventRecovered}
}

// Kinds are all kinds of events that somebody can be told of.
func Kinds() []ledger.EventKind {
	return append(DefaultKinds(), ledger.EventFailed, ledger.EventSucceeded)
}

// Add stores a recipient and gives it. Without kinds it has DefaultKinds, and a
// webhook's address may be left out. It gives a fault of kind Invalid for what is
// wrong, ledger.ErrNoApplication, ErrNoWebhook, ErrExists, or a Conflict when there
// are 1,000.
func (a *Alerts) Add(ctx context.Context, r Recipient) (Recipient, error) {
	if err := r.complete(); err != nil {
		return Recipient{}, err
	}
	err := a.db.Tx(ctx, func(tx *db.Tx) error {
		r.CreatedAt = tx.Now()
		var app sql.NullInt64
		if r.App != "" {
			err := tx.QueryRow(ctx, "SELECT id FROM applications WHERE name = $1", r.App).Scan(&app)
			if errors.Is(err, sql.ErrNoRows) {
				return ledger.ErrNoApplication
			}
			if err != nil {
				return err
			}
		}
		if err := known(ctx, tx, r.Channel); err != nil {
			return err
		}
		all, err := recipients(ctx, tx)
		switch {
		case err != nil:
			return err
		case slices.ContainsFunc(all, r.doubles):
			return ErrExists
		case len(all) >= maxRecipients:
			return &fault.Error{
				Kind: fault.Conflict, Code: "too_many_recipients", Detail: fmt.Sprintf("there are %d recipients of alerts already", len(all)),
				Hint: "remove those that are no longer needed",
			}
		}
		return tx.QueryRow(ctx, "INSERT INTO alert_recipients (application_id, channel, recipient, kinds, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
			app, r.Channel, r.Address, joined(r.Kinds, " "), db.Time{Time: r.CreatedAt}).Scan(&r.ID)
	})
	if err != nil {
		return Recipient{}, fmt.Errorf("add recipient of alerts: %w", err)
	}
	return r, nil
}

// known refuses the channel of a webhook that is not there: a slip would be noticed
// only when something happens and nobody is told. One that is removed later may be
// added again.
func known(ctx context.Context, tx *db.Tx, channel string) error {
	name, ok := webhook(channel)
	if !ok {
		return nil
	}
	var there bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM webhooks WHERE name = $1 AND deleted_at IS NULL)", name).Scan(&there)
	if err == nil && !there {
		err = ErrNoWebhook
	}
	return err
}

// List gives all recipients, in the order in which they were added.
func (a *Alerts) List(ctx context.Context) ([]Recipient, error) {
	rows, err := a.db.Query(ctx, selectRecipients+" ORDER BY r.id")
	if err != nil {
		return nil, fmt.Errorf("list recipients of alerts: %w", err)
	}
	all, err := db.Collect(rows, func(r *db.Rows) (Recipient, error) { return scanRecipient(r) })
	if err != nil {
		return nil, fmt.Errorf("list recipients of alerts: %w", err)
	}
	return all, nil
}

// Get gives a recipient, or ErrNotFound.
func (a *Alerts) Get(ctx context.Context, id int64) (r Recipient, err error) {
	r, err = scanRecipient(a.db.QueryRow(ctx, selectRecipients+" WHERE r.id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Recipient{}, fmt.Errorf("recipient of alerts %d: %w", id, err)
	}
	return r, nil
}

// Remove removes a recipient: it is told of nothing more, but for what was on its
// way already. It gives ErrNotFound.
func (a *Alerts) Remove(ctx context.Context, id int64) error {
	err := a.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM alert_recipients WHERE id = $1", id)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove recipient of alerts %d: %w", id, err)
	}
	return nil
}

const selectRecipients = `SELECT r.id, r.channel, r.recipient, coalesce(a.name, ''), r.kinds, r.created_at
	FROM alert_recipients r LEFT JOIN applications a ON a.id = r.application_id`

func recipients(ctx context.Context, tx *db.Tx) ([]Recipient, error) {
	rows, err := tx.Query(ctx, selectRecipients+" ORDER BY r.id")
	if err != nil {
		return nil, err
	}
	return db.Collect(rows, func(r *db.Rows) (Recipient, error) { return scanRecipient(r) })
}

func scanRecipient(row interface{ Scan(dest ...any) error }) (r Recipient, err error) {
	var kinds string
	err = row.Scan(&r.ID, &r.Channel, &r.Address, &r.App, &kinds, db.ScanTime(&r.CreatedAt))
	for kind := range strings.FieldsSeq(kinds) {
		r.Kinds = append(r.Kinds, ledger.EventKind(kind))
	}
	return r, err
}

// doubles tells whether another is the same recipient for the same application.
func (r *Recipient) doubles(other Recipient) bool {
	return r.Channel == other.Channel && r.Address == other.Address && r.App == other.App
}

// wants tells whether the recipient is to be told of an event. Whoever does not
// want a trouble need not know that it is over.
func (r *Recipient) wants(n *ledger.News) bool {
	return (r.App == "" || r.App == n.App) && slices.Contains(r.Kinds, n.Kind) &&
		(n.Kind != ledger.EventRecovered || slices.Contains(r.Kinds, n.Subject))
}

// webhook is the name of a webhook in the name of its channel.
func webhook(channel string) (name string, ok bool) {
	name, ok = strings.CutPrefix(channel, webhookPrefix)
	return name, ok && name != ""
}

// complete fills in what is left out, and refuses what is wrong.
func (r *Recipient) complete() error {
	wrong := func(code, detail, hint string) error {
		return &fault.Error{Kind: fault.Invalid, Code: code, Detail: detail, Hint: hint}
	}
	r.Address = strings.TrimSpace(r.Address)
	name, isWebhook := webhook(r.Channel)
	switch {
	case isWebhook && r.Address == "":
		r.Address = name
	case isWebhook && r.Address != name:
		return wrong("alert_recipient", "the recipient by a webhook is the webhook itself", "leave the recipient out")
	case !isWebhook && !slices.Contains(Messengers(), r.Channel):
		return wrong("alert_channel", fmt.Sprintf("%q is no channel", r.Channel),
			"take "+strings.Join(Messengers(), ", ")+" or "+webhookPrefix+"NAME")
	case r.Address == "":
		return wrong("alert_recipient", "the recipient is missing", "give the chat or the person by the id that "+r.Channel+" has for it")
	case utf8.RuneCountInString(r.Address) > maxAddress, !utf8.ValidString(r.Address), strings.ContainsFunc(r.Address, unicode.IsControl):
		return wrong("alert_recipient", fmt.Sprintf("the recipient must be one line of at most %d characters", maxAddress), "")
	}
	if len(r.Kinds) == 0 {
		r.Kinds = DefaultKinds()
	}
	for _, kind := range r.Kinds {
		if !slices.Contains(Kinds(), kind) {
			return wrong("alert_kind", fmt.Sprintf("%q is no kind of events", kind), "take of "+joined(Kinds(), ", "))
		}
	}
	chosen := r.Kinds
	r.Kinds = slices.DeleteFunc(Kinds(), func(k ledger.EventKind) bool { return !slices.Contains(chosen, k) })
	ends := []ledger.EventKind{ledger.EventMissed, ledger.EventOverdue, ledger.EventFailing}
	if slices.Contains(chosen, ledger.EventRecovered) && !slices.ContainsFunc(ends, func(k ledger.EventKind) bool { return slices.Contains(chosen, k) }) {
		return wrong("alert_kind", "a recovery is told to whom its trouble is told, and there is none among the kinds", "add "+joined(ends, ", "))
	}
	return nil
}

func joined(kinds []ledger.EventKind, by string) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, by)
}
