package console

func (c *Console) overview() *Page {
	return &Page{
		Name:  "overview",
		Draw:  func(r *Request) any { return nil },
		Parts: []string{"overview-state"},
	}
}
