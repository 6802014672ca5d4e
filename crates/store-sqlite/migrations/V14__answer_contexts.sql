-- What came with an answer, NULL if it is unknown: why it denies, the address of the device, and the country of that.
ALTER TABLE challenges ADD COLUMN answer_reason TEXT;
ALTER TABLE challenges ADD COLUMN answer_address TEXT;
ALTER TABLE challenges ADD COLUMN answer_country TEXT;
