package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/drawbridge-app/drawbridge/server/internal/rpc"
)

// maxBody is how much of a message is read, in bytes. A tool's arguments may
// hold a file; a message this long is already unusual.
const maxBody = 4 << 20

// readBody reads a message whole, or says why not.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if !isJSON(r.Header["Content-Type"]) {
		return nil, refusalf(http.StatusBadRequest, rpc.CodeInvalidRequest, "Content-Type must be application/json.")
	}
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // don't read the rest to keep the connection
		return nil, tooLarge
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
	return body, nil
}

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
