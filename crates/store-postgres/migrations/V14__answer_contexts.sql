-- What came with an answer, NULL if it is unknown: why it denies, the address of the device, and the country of that.
ALTER TABLE challenges ADD COLUMN answer_reason text;
ALTER TABLE challenges ADD COLUMN answer_address text;
ALTER TABLE challenges ADD COLUMN answer_country text;
