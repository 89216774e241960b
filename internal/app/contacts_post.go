package app

import (
	"context"

	"ferryman/internal/outbox"
)

// posts tells whether what is found is posted.
func (c *contactsProcess) posts() bool { return posts(c.r.Campaign) }

// send has the outbox send what is posted beside the runs, unless it does so or
// another process that shares the store does, which then sends also what this one
// finds.
func (c *contactsProcess) send(ctx context.Context) error {
	if !c.posts() || c.stopSending != nil {
		return nil
	}
	release, ok, err := c.db.Take(channelOf(c.r.Campaign))
	if err != nil || !ok {
		return err
	}
	if err := setCampaignHook(c.o, c.outbox, c.r.Campaign.Name, hookOf(c.r.Campaign)); err != nil { //nolint:contextcheck // the channel is served beside the runs
		release()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer release()
		if err := c.outbox.Run(ctx, c.o.Config.Server.StopGrace); err != nil {
			c.sent <- err
		}
	}()
	c.stopSending = func() {
		cancel()
		<-ended
	}
	return nil
}

// drain waits until all posts are made.
func (c *contactsProcess) drain(ctx context.Context) error {
	return drain{stats: c.posted, send: c.send, failed: c.sent, begun: c.begun, patience: drainPatience}.wait(ctx)
}

// posted is how the channel of a campaign that posts stands.
func (c *contactsProcess) posted(ctx context.Context) (outbox.ChannelStats, error) {
	all, err := c.outbox.Stats(ctx)
	for _, s := range all {
		if s.Name == channelOf(c.r.Campaign) {
			return s, err
		}
	}
	return outbox.ChannelStats{}, err
}
