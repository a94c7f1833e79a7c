package console

// setup is the page that makes the first configuration.
func (c *Console) setup() *Page {
	return &Page{
		Name: "setup",
		Draw: func(*Request) any { return nil },
	}
}
