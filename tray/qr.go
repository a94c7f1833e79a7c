package tray

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rsc.io/qr"
)

// showQR opens a picture of the MCP URL, for a phone to read.
func (t *tray) showQR(ctx context.Context) {
	if err := t.drawQR(t.snap.Status.MCPURL); err != nil {
		t.fail(ctx, "tray.failure.qr", err)
		return
	}
	t.open(ctx, t.qrFile)
}

// drawQR writes the picture into a folder that only its owner can read, so
// that no other user of this machine puts another address in its place.
func (t *tray) drawQR(mcpURL string) error {
	code, err := qr.Encode(mcpURL, qr.M)
	if err != nil {
		return fmt.Errorf("draw the QR code: %w", err)
	}
	if t.qrFile == "" {
		dir, err := os.MkdirTemp("", "drawbridge-qr-")
		if err != nil {
			return fmt.Errorf("make a folder for the QR code: %w", err)
		}
		t.qrFile = filepath.Join(dir, "drawbridge.png")
	}
	if err := os.WriteFile(t.qrFile, code.PNG(), 0o600); err != nil {
		return fmt.Errorf("write the QR code: %w", err)
	}
	return nil
}

// removeQR removes the picture.
func (t *tray) removeQR() {
	if t.qrFile != "" {
		_ = os.RemoveAll(filepath.Dir(t.qrFile))
	}
}
