-- An answer as the device signed it, and the key that it was judged by; NULL without one.
ALTER TABLE challenges ADD COLUMN answer_signed TEXT;
ALTER TABLE challenges ADD COLUMN answer_key BLOB;
