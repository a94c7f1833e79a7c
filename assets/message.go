package assets

// Message is an error that stands in the catalogue: whoever returns it can't
// know in which language it will be read. As an error it is in English.
type Message struct {
	Key  string
	Args []any
	Kind error // what callers test for; nil if nobody does
}

// In is the message in a language.
func (m *Message) In(t *Texts) string { return t.Say(m.Key, m.Args...) }

func (m *Message) Error() string { return m.In(catalogue[Languages[0]]) }
func (m *Message) Unwrap() error { return m.Kind }
