package tray

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/drawbridge-app/drawbridge/assets"
)

// notifications shows notes through AppleScript, which has no buttons.
type notifications struct{}

func newNotifications(*assets.Texts, func(action)) *notifications { return &notifications{} }

func (*notifications) close() {}

// notifyScript gets the texts as arguments, never as part of itself.
const notifyScript = `on run argv
display notification (item 2 of argv) with title "Drawbridge" subtitle (item 1 of argv)
end run`

// withdraw does nothing: AppleScript can't.
func (*notifications) withdraw(context.Context, string) error { return nil }

func (*notifications) notify(ctx context.Context, n note) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := exec.CommandContext(ctx, "/usr/bin/osascript", "-e", notifyScript, "--", n.Title, n.text(false)).Run(); err != nil {
		return fmt.Errorf("show a notification: %w", err)
	}
	return nil
}
