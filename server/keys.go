package server

import "crypto/rand"

func randomKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program first
	return key
}
