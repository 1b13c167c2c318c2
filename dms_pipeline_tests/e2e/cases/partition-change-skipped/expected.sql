SELECT array_agg(k ORDER BY k) = '{{1,11,12,21}}' FROM {schema}.t
