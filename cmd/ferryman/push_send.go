package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ferryman/internal/fault"
	"ferryman/internal/pushclient"
)

// exitTaken is the exit code of push send for a message that is there already.
const exitTaken = 6

type sendFlags struct {
	to, via, text, at, expires string
	asJSON                     bool

	file fileFlags
}

func newPushSend() *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use: "send", Short: "Send a message, or a file of them", Args: noArgs,
		Long: `Send a message to a person on a messenger, at once or at a time, and print its id and
state. The server sends it; this command only hands it in. Nobody gets the same text
by the same messenger twice: a message that is there already is not stored again. With
a key that may send but not read, the state is told as "stored".

With --file it hands in the messages of a file of any length, or of standard input:
either JSON lines, each an object as the API has it, or CSV with a header that names
the columns user_id, via (or messenger_id), text, start_at and expires_at. What is
wrong with a message is told by its line, and the others go on. A file may be sent
again after whatever happened: what is stored counts as already there.

--rejects FILE gets what is refused, a JSON object a line with "line", "errors" and
"message" (or "raw"); so it can be corrected and sent:

  jq -c 'select(.message).message' rejects.jsonl

Times are as in the API: YYYY-MM-DDThh:mm[:ss], in UTC unless they end with an offset
such as +02:00.

Exit codes: 0 stored, or of a file everything is stored or was there; 1 wrong usage,
or the message is refused; 4 some messages of the file are refused; 5 the server
failed or could not be reached; 6 the message is there already; 130 or 143 cut off.` + pushUsage(),
		Example: `  ferryman push send --to 123 --via telegram --text hello
  ferryman push send --to 123 --via viber --text 'See you' --at 2030-01-02T03:04
  fortune | ferryman push send --to 123 --via whatsapp --text -
  ferryman push send --file messages.csv --rejects rejects.jsonl
  zcat messages.jsonl.gz | ferryman push send --file - --format jsonl --parallel 8`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("file") {
				return sendFile(cmd, f)
			}
			return sendOne(cmd, f)
		},
	}
	addPushFlags(c)
	fs := c.Flags()
	fs.StringVar(&f.to, "to", "", "whom to send it to, as the messenger knows them")
	addVia(c, &f.via, "messenger")
	fs.StringVar(&f.text, "text", "", "what to send; - reads standard input")
	fs.StringVar(&f.at, "at", "", "when to send it, such as 2030-01-02T03:04 (default at once)")
	fs.StringVar(&f.expires, "expires", "", "from when on never to send it (default no end)")
	fs.BoolVar(&f.asJSON, "json", false, "print one JSON object")
	f.file.add(c)
	return c
}

// ofOne and ofFile are the flags that belong to one of the two uses.
func ofOne() []string  { return []string{"to", "via", "text", "at", "expires"} }
func ofFile() []string { return []string{"format", "batch", "parallel", "rejects"} }

// without refuses flags that mean nothing here.
func without(fs *pflag.FlagSet, names []string, why string) error {
	for _, name := range names {
		if fs.Changed(name) {
			return badFlag("--%s %s", name, why)
		}
	}
	return nil
}

// oneTries is fewer tries than a file has: somebody is waiting.
const oneTries = 3

func sendOne(cmd *cobra.Command, f sendFlags) error {
	if err := without(cmd.Flags(), ofFile(), "needs --file"); err != nil {
		return usageError{cmd, err}
	}
	for _, name := range ofOne()[:3] {
		if !cmd.Flags().Changed(name) {
			return usageError{cmd, fmt.Errorf("--%s is needed, or --file", name)}
		}
	}
	id, err := messenger(f.via)
	if err != nil {
		return usageError{cmd, err}
	}
	if f.text == "-" {
		if f.text, err = readText(cmd.InOrStdin()); err != nil {
			return err
		}
	}
	d := pushclient.Draft{UserID: f.to, Messenger: id, Text: f.text, StartAt: f.at, ExpiresAt: f.expires}
	return withPush(cmd, func(ctx context.Context, c *pushclient.Client) error {
		id, err := c.Store(ctx, d, pushclient.SendOptions{Tries: oneTries, Retrying: func(cause error, wait time.Duration) {
			fmt.Fprintf(cmd.ErrOrStderr(), "ferryman: %v; again in %v\n", cause, wait.Round(time.Millisecond))
		}})
		if refused, ok := errors.AsType[*pushclient.RefusedError](err); ok && len(refused.Items) == 1 && refused.Taken(0) {
			return taken(ctx, cmd, c, d, f.asJSON)
		}
		if err != nil {
			return err
		}
		m, err := c.Get(ctx, id)
		switch {
		case fault.KindOf(err) == fault.Forbidden: // the key may send, and no more
			m = pushclient.Message{ID: id, State: "stored", JSON: fmt.Appendf(nil, `{"id":%d}`, id)}
		case err != nil:
			return fmt.Errorf("message %d is stored, and its state is not known: %w", id, err)
		}
		if m.Held != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "ferryman: the message waits:", oneLine(m.Held))
		}
		return printMessage(cmd, m, f.asJSON)
	})
}

// taken tells of the message that is there already, and what became of it.
func taken(ctx context.Context, cmd *cobra.Command, c *pushclient.Client, d pushclient.Draft, asJSON bool) error {
	m, found, err := c.Find(ctx, d)
	if err != nil && fault.KindOf(err) != fault.Forbidden {
		return fmt.Errorf("the message is there already, and its state is not known: %w", err)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "ferryman: this message is there already: nobody gets the same text by the same messenger twice")
	if found {
		if err := printMessage(cmd, m, asJSON); err != nil {
			return err
		}
	}
	return exitError(exitTaken)
}

func printMessage(cmd *cobra.Command, m pushclient.Message, asJSON bool) error {
	if asJSON {
		return printJSON(cmd, rawJSON(m))
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", m.ID, oneLine(m.State))
	return err
}

// maxText is what is read as a text. The server takes much less.
const maxText = 1 << 20

func readText(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read the text from standard input: %w", err)
	case len(text) > maxText:
		return "", errors.New("the text on standard input is longer than any messenger takes")
	}
	return string(text), nil
}
