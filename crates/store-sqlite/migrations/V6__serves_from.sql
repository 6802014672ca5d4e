-- While one release replaces another, servers of both use the schema. An older one may, as long as it knows this migration or
-- a later one. A migration that takes away what older servers need sets it to the first one whose servers can do without.
ALTER TABLE installation ADD COLUMN serves_from INTEGER NOT NULL DEFAULT 6;
