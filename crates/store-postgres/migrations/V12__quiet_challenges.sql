-- Whether the pushes of a challenge must not disturb the person; NULL: they may.
ALTER TABLE challenges ADD COLUMN quiet boolean;
