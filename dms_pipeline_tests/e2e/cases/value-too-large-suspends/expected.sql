SELECT array_agg(k) = '{{1}}' FROM {schema}.t;
SELECT count(*) = 1 FROM dms_control.awsdms_suspended_tables WHERE table_owner = '{schema}';
SELECT count(*) = 1 FROM dms_control.awsdms_status
