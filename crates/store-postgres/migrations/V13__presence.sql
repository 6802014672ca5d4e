-- What shows that the person who approves looks at the page that asked, as JSON: what is proved, and the tries so far.
-- NULL: nothing is asked for.
ALTER TABLE challenges ADD COLUMN presence text;
-- 'number': the device asks its person for the number of a challenge. NULL: it does not.
ALTER TABLE factors ADD COLUMN presence text;
