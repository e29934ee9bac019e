-- A correction turns a recorded day into its opposite. Days absent have no column, so a register may begin with one.
INSERT INTO report (internship_id, days_present)
VALUES (:internship_id, 2 * CAST(:present AS BIGINT) - 1)
ON CONFLICT (internship_id) DO UPDATE SET
  days_present = report.days_present + excluded.days_present;
