"""How a whole order could be made, before anybody is asked: some ways to choose from."""
