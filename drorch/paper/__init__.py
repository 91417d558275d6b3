"""Reports on paper: blocks of a page, and the typesetter that makes a PDF of them."""
