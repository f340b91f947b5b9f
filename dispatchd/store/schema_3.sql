-- Schema version 3.

-- forwarded headers
-- JSON [[name, value], ...] or NULL: headers that prove the sender, kept only because a linked
-- destination's `forward_headers` names them in full. They are sent on, and never shown.
ALTER TABLE events ADD COLUMN forward_headers TEXT;
