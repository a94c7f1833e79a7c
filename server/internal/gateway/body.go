package gateway

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/drawbridge-app/drawbridge/server/internal/limit"
	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// maxBody is how much of a message is read, in bytes. A tool's arguments may
// hold a file; a message this long is already unusual.
const maxBody = 4 << 20

// bodyWait is how long a large message may wait for room. Its client writes all
// that time, and has a time-out of its own.
const bodyWait = 10 * time.Second

// readBody reads a message whole, or says why not. It takes room for it first.
func readBody(w http.ResponseWriter, r *http.Request, room *limit.Hold) ([]byte, *refusal) {
	if !isJSON(r.Header["Content-Type"]) {
		return nil, refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "Content-Type must be application/json.")
	}
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // don't read the rest to keep the connection
		return nil, tooLarge
	}
	length := r.ContentLength
	if length < 0 {
		length = maxBody
	}
	if length > limit.Free { // as few are
		ctx, cancel := context.WithTimeout(r.Context(), bodyWait)
		defer cancel()
		if room.Take(ctx, length) != nil {
			w.Header().Set("Retry-After", "2")
			return nil, noRoom
		}
	}
	var body []byte
	var err error
	if r.ContentLength >= 0 { // net/http gives no more than that
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, body)
	} else {
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	}
	if tooBig := new(http.MaxBytesError); errors.As(err, &tooBig) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "The request ended early.")
	}
	room.Shrink(int64(len(body)))
	return body, nil
}

var noRoom = refusalf(http.StatusTooManyRequests, codeServer, "Too many large messages are being answered. Send this one again in a moment.")

var tooLarge = refusalf(http.StatusRequestEntityTooLarge, rpc.CodeInvalidRequest, "The message is larger than 4 MiB.")

func isJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	if contentType[0] == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType[0])
	return err == nil && media == "application/json"
}
