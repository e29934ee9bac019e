-- What nobody reviewed by then is never reviewed.
UPDATE worklist SET pending = 0 WHERE placement_id = :placement_id;
