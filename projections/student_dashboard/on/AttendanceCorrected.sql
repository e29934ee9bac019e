-- A correction turns a recorded day into its opposite.
UPDATE placement SET
  days_present = days_present + (2 * CAST(:present AS BIGINT) - 1),
  days_absent = days_absent - (2 * CAST(:present AS BIGINT) - 1)
WHERE placement_id = :placement_id;
