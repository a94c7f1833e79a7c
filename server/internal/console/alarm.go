package console

// alarm is the page of the one button for when something is very wrong.
func (c *Console) alarm() *Page {
	return &Page{
		Name:    "panic",
		Draw:    func(*Request) any { return nil },
		Actions: map[string]Action{"now": sure(c.lockDown)},
	}
}

// lockDown ends everything, the console's own tokens too: whoever pressed the
// button gets a new one, other tabs are locked.
func (c *Console) lockDown(r *Request) (string, error) {
	said, err := c.backend.Panic(r.Context())
	r.token = c.logins.renew()
	return said, err
}
