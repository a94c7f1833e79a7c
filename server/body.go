package server

import (
	"io"
	"net/http"
	"time"
)

// limitBodyTime ends a body that comes too slowly. http.Server's ReadTimeout
// would do it too, but would also cut streams that answer a request.
func limitBodyTime(w http.ResponseWriter, r *http.Request, d time.Duration) {
	conn := http.NewResponseController(w)
	if conn.SetReadDeadline(time.Now().Add(d)) != nil {
		return
	}
	r.Body = &timedBody{ReadCloser: r.Body, conn: conn}
}

// timedBody lifts the deadline at the body's end: what is read on the
// connection after it only tells whether the client is still there.
type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
	done bool
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && !b.done {
		b.done = true
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
