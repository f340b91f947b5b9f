-- Schema version 7.

-- The rule of the link that chose what is sent; NULL where none did.
ALTER TABLE deliveries ADD COLUMN rule TEXT;

-- Which template said it, or why the destination's own wording was sent; NULL without one.
ALTER TABLE attempts ADD COLUMN template TEXT;

-- What `body` is: NULL for a transform's result, else a template's variant.
ALTER TABLE sent ADD COLUMN variant TEXT;
