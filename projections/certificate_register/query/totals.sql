-- Certificates per internship: issued first (not as a replacement), and standing now.
-- order: internship_id
SELECT internship_id,
  count(*) - count(CASE WHEN status = 'REPLACED' THEN 1 END) AS certificates,
  count(CASE WHEN status = 'VALID' THEN 1 END) AS standing
FROM certificate
GROUP BY internship_id;
